package blob

import "golang.org/x/sys/windows"

func usage(path string) (total, used, free int64, err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, 0, err
	}
	var mine, size, unused uint64
	if err := windows.GetDiskFreeSpaceEx(name, &mine, &size, &unused); err != nil {
		return 0, 0, 0, err
	}
	return int64(size), int64(size - unused), int64(mine), nil
}
