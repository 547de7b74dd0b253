// Drivers' own may give no number for large x.
float tanh_of(float x) { return 1 - 2 / (exp(2 * x) + 1); }
