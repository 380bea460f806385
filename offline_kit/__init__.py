"""The offline kit: everything to install NePhi on a computer without a network, in one folder. Not shipped itself."""
