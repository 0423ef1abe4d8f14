"""The problems themselves, one family a file. What a family needs beyond NumPy is loaded when it is first used."""
