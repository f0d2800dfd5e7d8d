"""From when on can the class be decoded from each area?"""
