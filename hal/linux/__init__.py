"""Drivers for what Linux itself has: the power line modem on a network interface, GPIO lines, PWM
and ADC.
"""
