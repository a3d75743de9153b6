"""CRITIC: are the right characters in each description, pronouns resolved?"""
