package healthcheck

var refused, reset, unreachable = isOne(), isOne(), isOne()
