"""skymist: neutrino alerts from the raw event to a calibrated sky map."""
