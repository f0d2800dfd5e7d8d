"""Many networks: do the claims hold?"""
