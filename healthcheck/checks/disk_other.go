//go:build !(darwin || dragonfly || freebsd || linux || windows)

package checks

import "errors"

func space(string) ([]amount, error) { return nil, errors.ErrUnsupported }
