"""The report of a run: what was computed, as one HTML page with pictures and as JSON."""

from huracan.report.html import render_html, render_json, write_report
from huracan.report.model import ReportData

__all__ = ["ReportData", "render_html", "render_json", "write_report"]
