"""What the scheduler keeps in order: every event that was due has its delivery, and what is too old goes."""
