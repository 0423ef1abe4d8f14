"""Other libraries as opponents, each in a process and an environment of its own.

`peer_loop.py` is the program that is run there; it knows the standard library only and loads one of its
neighbours, which knows the standard library and one other library. What they say to each other is told
in `trimtab.benchmarks.conversation`. `<library>.txt` beside them pins what an environment is made of.
"""
