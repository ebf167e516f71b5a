"""Reliability figures. Pure: what happened goes in, figures come out.

Sources: 23 CFR 680.116(b) (NEVI: uptime); The Public Charge Point Regulations 2023 (United Kingdom, SI 2023/1168),
regulation 8; ChargeX Consortium, Customer-Focused Key Performance Indicators for Electric Vehicle Charging
(INL/RPT-24-77406).
"""
