"""Floor 2: models of an objective, and the questions asked of them. Arrays in, posteriors out."""
