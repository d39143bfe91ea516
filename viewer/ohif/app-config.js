// OHIF for the reading room: one study, our DICOMweb, nothing else on the screen.
/** @type {AppTypes.Config} */
window.config = {
  name: 'gateway',
  routerBasename: '/ohif',
  extensions: [],
  modes: [],
  showStudyList: false,
  showLoadingIndicator: true,
  showCPUFallbackMessage: true,
  showWarningMessageForCrossOrigin: false,
  strictZSpacingForVolumeViewport: true,
  experimentalStudyBrowserSort: false,
  groupEnabledDataSource: true,
  // Office PCs have few cores, and some Windows systems stall with more workers.
  maxNumberOfWebWorkers: 3,
  maxNumRequests: { interaction: 32, thumbnail: 8, prefetch: 12 },
  // Our page has its own patient line, and asks nobody whether to track a measurement.
  showPatientInfo: 'disabled',
  disableConfirmationPrompts: true,
  // One column of thumbnails: the reading room gives the images about 870 pixels on an office PC.
  modesConfiguration: {
    '@ohif/mode-longitudinal': {
      routes: { 0: { layoutInstance: { props: { $merge: { leftPanelInitialExpandedWidth: 156, leftPanelMinimumExpandedWidth: 148 } } } } },
    },
  },
  investigationalUseDialog: { option: 'never' },
  // No first-run tour in front of a reader.
  customizationService: [{ 'ohif.tours': { $set: [] } }],
  defaultDataSourceName: 'gateway',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'gateway',
      configuration: {
        friendlyName: 'Shared-Centre Gateway',
        name: 'gateway',
        qidoRoot: '/dicomweb',
        wadoRoot: '/dicomweb',
        wadoUriRoot: '/dicomweb',
        qidoSupportsIncludeField: false,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        supportsReject: false,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        omitQuotationForMultipartRequest: true,
        singlepart: 'bulkdata,video,pdf',
        bulkDataURI: { enabled: true },
        dicomUploadEnabled: false,
      },
    },
  ],
}
