"""How an LR image comes about, L = DBMH + n: motion, blur, reduction, noise."""
