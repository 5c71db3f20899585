"""Tests of the analysis of closed trades."""
