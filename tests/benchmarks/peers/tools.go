//go:build tools

// Package peers names the servers that are built to be measured beside this one.
package peers

import _ "github.com/tus/tusd/v2/cmd/tusd"
