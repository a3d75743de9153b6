"""The Space: a page over the package `distinctad` on which a describer gets a draft, edits it and takes it away."""
