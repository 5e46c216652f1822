//go:build !unix

package blackbox

func noRoom(error) bool { return false }

func errnoClass(error) string { return "" }
