"""The pose-regression data set: CAD meshes -> MuJoCo renders -> 128x128 grey images -> train/val pickles."""
