"""The slider's pose from recorded pictures alone: no fiducials, no true pose."""
