"""Are the right people named?"""
