"""What is normal, learnt from history: baselines, isolation forests, calibration, explanation."""
