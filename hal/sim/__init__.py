"""A charging outlet without hardware: one physical world, its safety controller, and a board that
talks to it.
"""
