"""Data sets in other people's layouts, and in one that travels light."""
