"""From a script to sound: voices, narration, the ducked mix and the films that carry it."""
