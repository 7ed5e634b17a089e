"""Inputs that nobody should have to trust, a module for each kind.

Its ``attempt(number, seed, folder)`` makes one and gives it to the program.
"""
