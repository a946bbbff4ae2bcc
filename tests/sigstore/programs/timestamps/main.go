// Command timestamps serves sigstore's RFC 3161 timestamp authority on one loopback address.
//
// It is timestamp-server without its Prometheus endpoint, whose port is fixed and open to all networks: it could neither
// run twice on a machine nor stay on the loopback interface.
package main

import (
	"flag"
	"log"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

// What timestamp-server sets by default.
const (
	policy      = "1.3.6.1.4.1.57264.2"
	maxRequest  = 1 << 20
	ioTimeout   = 30 * time.Second
	cleanupTime = time.Second
)

func main() {
	port := flag.Int("port", 0, "where to listen on 127.0.0.1")
	key := flag.String("key", "", "file of the signing key")
	password := flag.String("password", "", "password of the signing key")
	chain := flag.String("chain", "", "file of the certificates, from the authority's own to the root")
	flag.Parse()

	for name, value := range map[string]any{
		"timestamp-signer":         "file",
		"timestamp-signer-hash":    "sha256",
		"file-signer-key-path":     *key,
		"file-signer-passwd":       *password,
		"certificate-chain-path":   *chain,
		"enforce-intermediate-eku": true,
		"default-policy-oid":       policy,
		"accepted-policy-oids":     []string{policy},
		"max-request-body-size":    maxRequest,
	} {
		viper.Set(name, value)
	}
	service := server.NewRestAPIServer("127.0.0.1", *port, []string{"http"}, false, ioTimeout, ioTimeout)
	service.CleanupTimeout = cleanupTime
	if err := service.Serve(); err != nil {
		log.Fatal(err)
	}
}
