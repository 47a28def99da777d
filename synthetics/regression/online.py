from synthetics.regression.detector import Detector


def factory():
    return Detector()
