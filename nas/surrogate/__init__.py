"""What is learnt from the scores of designs: an encoding, a posterior, an acquisition function."""
