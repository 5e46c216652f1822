package guard

var refused, reset, unreachable = isOne(), isOne(), isOne()
