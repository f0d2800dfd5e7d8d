"""How tight are the volleys, and where do they spread or re-converge?"""
