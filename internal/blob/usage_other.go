//go:build !linux && !darwin && !freebsd && !windows

package blob

import "errors"

func usage(string) (total, used, free int64, err error) { return 0, 0, 0, errors.ErrUnsupported }
