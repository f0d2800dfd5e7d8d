"""What does the activity of one unit say about the class of the trial?"""
