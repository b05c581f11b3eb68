"""``myopatch monitor``: a running patch on a page that only this computer can open."""
