"""The DC side of an outlet: an insulation monitor on Modbus (needs the extra ``modbus``), and
supplies on CAN.
"""
