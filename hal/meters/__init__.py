"""Energy meters on Modbus, RTU and TCP: the Eastron SDM family and SunSpec. Needs the extra
``modbus``.
"""
