// Command logstorage is what a Rekor v1 server stores its Merkle tree in: Trillian's log and admin services with the
// sequencer beside them, in one process and in memory, so that a test needs no database.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/trillian"
	"github.com/google/trillian/extension"
	sequencer "github.com/google/trillian/log"
	"github.com/google/trillian/monitoring"
	"github.com/google/trillian/quota"
	"github.com/google/trillian/server"
	"github.com/google/trillian/server/admin"
	"github.com/google/trillian/server/interceptor"
	"github.com/google/trillian/storage"
	_ "github.com/google/trillian/storage/memory" // registers the provider "memory"
	"github.com/google/trillian/util/clock"
	"github.com/google/trillian/util/election2"
	"google.golang.org/grpc"
)

// How often waiting leaves are put into the tree: a client waits this long for its entry.
const integrationInterval = 30 * time.Millisecond

// How many leaves go into the tree at once.
const batch = 100

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	flag.Parse()
	if err := run(*address); err != nil {
		log.Fatal(err)
	}
}

func run(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	metrics := monitoring.InertMetricFactory{}
	provider, err := storage.NewProvider("memory", metrics)
	if err != nil {
		return err
	}
	registry := extension.Registry{
		AdminStorage:    provider.AdminStorage(),
		LogStorage:      provider.LogStorage(),
		ElectionFactory: election2.NoopFactory{},
		QuotaManager:    quota.Noop(),
		MetricFactory:   metrics,
	}
	go sequencer.NewOperationManager(sequencer.OperationInfo{
		Registry:    registry,
		BatchSize:   batch,
		NumWorkers:  1,
		RunInterval: integrationInterval,
		TimeSource:  clock.System,
	}, sequencer.NewSequencerManager(registry, 0)).OperationLoop(ctx)

	services := grpc.NewServer(grpc.UnaryInterceptor(interceptor.ErrorWrapper))
	trillian.RegisterTrillianLogServer(services, server.NewTrillianLogRPCServer(registry, clock.System))
	trillian.RegisterTrillianAdminServer(services, admin.New(registry, nil))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, services.Stop)
	return services.Serve(listener)
}
