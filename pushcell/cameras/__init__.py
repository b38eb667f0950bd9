"""Cameras: model, calibration in use, projection, images, video."""
