"""Do classes have units and connections of their own?"""
