"""Workloads on images."""
