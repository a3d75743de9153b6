"""Action score: are the true actions told?"""
