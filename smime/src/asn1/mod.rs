//! BER read as a stream, DER and BER written (X.690).
