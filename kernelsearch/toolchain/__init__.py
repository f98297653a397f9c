"""Candidates into something a device can run: `nvcc` for GPUs, `emulated` for the CPU, one content-addressed cache for both."""
