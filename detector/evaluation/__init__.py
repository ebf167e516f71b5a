"""How good detection is: tickets held against the ground truth of a simulated fleet. Pure; reads no clock.

Nothing that detects may import this package, and this package never sees the simulator: it reads TRUTH.json.
"""
