"""Measures world models: does it understand physics, and can you plan with it?"""
