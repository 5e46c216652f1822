package checks

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

func space(path string) ([]amount, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	var free, all uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, &all, nil); err != nil {
		return nil, &fs.PathError{Op: "GetDiskFreeSpaceEx", Path: path, Err: err}
	}
	return []amount{{"bytes", free, all}}, nil
}
