"""What all outlets of a station share: threads, trust, protocols, traces, and the services that
join them.
"""
