"""Measures of images and videos, each by the official evaluation code."""
