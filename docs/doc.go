// Package docs holds the guides for authors of plugins and of hosts: README.md is the index. There
// is no code in it but a test, which keeps what the guides show the same as code that compiles.
package docs
