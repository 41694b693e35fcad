//go:build linux || darwin || freebsd

package blob

import "golang.org/x/sys/unix"

func usage(path string) (total, used, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, 0, err
	}
	block := int64(st.Bsize)
	return int64(st.Blocks) * block, int64(st.Blocks-st.Bfree) * block, max(0, int64(st.Bavail)) * block, nil
}
