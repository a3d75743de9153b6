"""Script formats: WebVTT, SubRip, DAPT, CSV, JSON, the transcript, the narrator's script, and `convert`."""
