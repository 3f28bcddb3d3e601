"""Bring your own truth: recordings of any world in the place of scenes, asked about without any physics.

A model that was trained on Atari or Doom cannot act in our scenes. Recordings of its own world give it
fidelity, drift, action following, surprise, reward and speed; of physics nothing is known there.
"""
