"""One module for each subject: `measure(stage)` yields its rows, and takes away whatever it started for them."""
