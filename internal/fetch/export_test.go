package fetch

import (
	"context"
	"net"
)

// DialWith makes c connect through dial instead of the network.
func DialWith(c *Client, dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	c.origin.DialContext, c.others.DialContext = dial, dial
}
